#include "norm/rms_norm.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("rmsNorm", [](const LaunchContext& context, Arguments& arguments) {
  rms_norm(context, {
                        .x = arguments.tensor(),
                        .weight = arguments.tensor(),
                        .residual = arguments.tensor(),
                        .normed = arguments.tensor(),
                        .residual_sum = arguments.tensor(),
                        .rows = arguments.integer(),
                        .width = arguments.integer32(),
                        .epsilon = arguments.number(),
                        .add_unit_offset = arguments.flag(),
                    });
});

}  // namespace
}  // namespace attention::cuda
