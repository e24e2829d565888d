#include "common/operation.h"
#include "movement/copy.h"
#include "reduction/cumulate.h"
#include "elementwise/elementwise.h"
#include "sampling/multinomial.cuh"
#include "reduction/softmax.h"

namespace attention {

struct MultinomialParams {
  Operand logits;            // [rows, events] of a float type
  TypedOperand<int> output;  // [rows, samples] int32
  int64_t rows;
  int64_t events;
  int64_t samples;
  bool32 normalized;  // whether `logits` are probabilities
  uint32_t key0;      // the random generator's key
  uint32_t key1;
};

/// Draws samples from the distribution of each row.
void multinomial(const LaunchContext& context, const MultinomialParams& params) {
  if (params.rows * params.samples == 0 || params.events == 0) return;
  const int64_t size = params.rows * params.events;
  const Scratch scratch(context, size_t(size) * 2 * sizeof(float));
  const Operand probabilities{scratch.as<float>()};
  const Operand sums{scratch.as<float>() + size};
  if (params.normalized) {
    copy(context, {.x = params.logits,
                   .output = probabilities,
                   .rank = 1,
                   .shape = {size},
                   .x_strides = {1},
                   .output_strides = {1},
                   .x_offset = 0,
                   .output_offset = 0});
  } else {
    softmax(context, {.x = params.logits,
                      .output = probabilities,
                      .rows = params.rows,
                      .length = params.events});
  }
  cumulate(context, {.x = probabilities,
                     .output = sums,
                     .rows = params.rows,
                     .length = params.events,
                     .product = false,
                     .exclusive = false,
                     .reversed = false});
  launch(context, multinomial_kernel, elementwise_grid(params.rows * params.samples, 1),
         probabilities.as<float>(), sums.as<float>(), params.output, params.rows, params.events,
         params.samples, params.normalized, params.key0, params.key1);
}

ATTENTION_OPERATION(multinomial, MultinomialParams, logits, output, rows, events, samples, normalized, key0, key1)

}  // namespace attention
