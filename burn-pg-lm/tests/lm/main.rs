//! Tests of `burn-pg-lm`.

mod helpers;
mod models;
mod reward;
mod writing;
