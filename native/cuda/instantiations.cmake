# Templates that take minutes to compile are instantiated in files of their own, which are generated here: one for each
# set of template arguments, so that they compile side by side. Sets `instantiations` to the files.
set(instantiations)

# instantiate(FILE HEADER DECLARATION): FILE.cu includes HEADER and instantiates DECLARATION.
function(instantiate file header declaration)
  set(path ${CMAKE_CURRENT_BINARY_DIR}/instantiations/${file}.cu)
  file(CONFIGURE OUTPUT ${path} @ONLY CONTENT
       "#include \"${header}\"\n\nnamespace attention {\n\ntemplate ${declaration};\n\n}  // namespace attention\n")
  set(instantiations ${instantiations} ${path} PARENT_SCOPE)
endfunction()

foreach(type float16 bfloat16)
  instantiate(attention_decode_${type} attention/attention_decode_launch.cuh
              "void attend_decode<${type}>(const LaunchContext& context, const AttentionParams& params)")
  foreach(head_size 64 128 256)
    instantiate(attention_prefill_${type}_${head_size} attention/attention_prefill_launch.cuh
                "void launch_prefill<${type}, ${head_size}>(const LaunchContext&, const AttentionParams&, TileSize, bool)")
  endforeach()
  foreach(head_size 64 96 128 192 256)
    instantiate(attention_prefill_hopper_${type}_${head_size} attention/attention_prefill_hopper_launch.cuh
                "void launch_prefill_hopper<${type}, ${head_size}>(const LaunchContext&, const AttentionParams&, bool)")
  endforeach()
endforeach()

foreach(type float float16 bfloat16)
  instantiate(matmul_${type} matmul/matmul_launch.cuh
              "void launch_matmul<${type}>(const LaunchContext& context, const MatmulParams& params)")
endforeach()

foreach(type float float16 bfloat16)
  instantiate(block_linear_${type} blocks/block_linear.cuh
              "void launch_block_linear<${type}>(const LaunchContext& context, const BlockLinearParams& params)")
  instantiate(moe_blocks_${type} moe/moe_blocks.cuh
              "void launch_moe_blocks<${type}>(const LaunchContext&, const MoePlan&, const MoeProduct&)")
endforeach()
