"""A model as an ONNX file, down to the bytes of its protocol buffers."""
