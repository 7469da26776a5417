//! Benchmarks of the Octopus Argo SDK. None yet: they come with the code that they measure.
#![cfg_attr(doctest, doc = include_str!("../../README.md"))]
