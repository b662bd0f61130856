"""Steps environments of this Python for burn-pg, a program in Rust.

The program connects to the worker, sends what environments to make, and then one byte for each batch of steps.
Observations, actions and everything else lie in a file that both have mapped.
"""
