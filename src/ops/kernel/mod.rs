//! The operations on WebGPU.
