#include "elementwise/gated_activation.cuh"

namespace attention {

struct GeluAndMulParams {
  Operand x;       // [rows, 2 * width]: gate, then up
  Operand output;  // [rows, width], the type of x
  int64_t rows;
  int width;
  bool32 tanh_approximation;
};

/// Computes gelu(gate) * up, with the exact error function or the tanh approximation.
void gelu_and_mul(const LaunchContext& context, const GeluAndMulParams& params) {
  const GatedActivationParams rows = {params.x, params.output, params.rows, params.width};
  if (params.tanh_approximation) {
    gated_activation<GeluTanh>(context, rows);
  } else {
    gated_activation<Gelu>(context, rows);
  }
}

ATTENTION_OPERATION(gelu_and_mul, GeluAndMulParams, x, output, rows, width, tanh_approximation)

}  // namespace attention
