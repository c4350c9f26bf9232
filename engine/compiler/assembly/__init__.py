"""LLVM assembly: the emitter, functions of vectors, traced scalar graphs lowered to both."""
