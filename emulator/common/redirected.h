#pragma once
// For what is compiled with -fsanitize=thread: copies and fills are checked too, see instrumented.h.

asm(R"(
.set memcpy, attention_memcpy
.set memmove, attention_memmove
.set memset, attention_memset
)");
