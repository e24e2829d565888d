#include "reduction/arg_reduce.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("argReduce", [](const LaunchContext& context, Arguments& arguments) {
  arg_reduce(context, {
                          .x = arguments.tensor(),
                          .output = arguments.tensor(),
                          .rows = arguments.integer(),
                          .length = arguments.integer(),
                          .smallest = arguments.flag(),
                      });
});

}  // namespace
}  // namespace attention::cuda
