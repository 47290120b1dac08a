"""The transformer's layers for the CPU: whole layers with gradients written by hand.

Two things make small models slow on a CPU when they are put together from single
operations: each operation reads and writes memory for little arithmetic, and rows of 16
or 100 numbers are too short for vector units. Here activations lie in columns, shape
(features, tokens): a sum over features adds long rows, queries, keys, values, gate and up
are slices without copies, and a layer with its gradient is about forty operations.

The gradients are the analytic ones; each is tested against finite differences in float64
(torch.autograd.gradcheck) and against automatic differentiation of the plain layers.
Matrix products run in the dtype `kind`: that of the activations, or bfloat16 with
activations, normalizations and sums in float32.
"""
