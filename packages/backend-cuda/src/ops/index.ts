// One line an op: the file gives it its kernel.
import './rms_norm.ts';
