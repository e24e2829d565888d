export { AttentionError } from '@attention-js/core';
