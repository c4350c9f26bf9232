"""Models in forms that run elsewhere: source code, ONNX, files that come back in. Knows no HTTP."""
