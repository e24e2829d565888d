import { cpuKernel } from '@attention-js/core';
import type { SoftcapAttributes, SoftcapInputs } from './softcap.ts';

export const softcapCpu = cpuKernel<SoftcapInputs, SoftcapAttributes>(({ x }, { cap }, [output]) => {
  for (let i = 0; i < output.length; i++) output[i] = cap * Math.tanh(x.values[i] / cap);
});
