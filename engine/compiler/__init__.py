"""Scalars to vector machine code: traced functions in, whole training loops out. Only jit.py knows LLVM."""
