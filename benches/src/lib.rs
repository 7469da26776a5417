//! Inputs of the benchmarks, shared so that timing and counting see the same ones.
#![cfg_attr(doctest, doc = include_str!("../../README.md"))]

pub mod health;
