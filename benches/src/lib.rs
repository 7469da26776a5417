//! Benchmarks of the Octopus Argo SDK. None yet: they come with the code that they measure.
