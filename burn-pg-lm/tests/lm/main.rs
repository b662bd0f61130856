//! Tests of `burn-pg-lm`.

mod data;
mod exact;
mod fixture;
mod folder;
mod helpers;
mod models;
mod recorded_text;
mod refused_tokenizers;
mod reward;
mod rules;
mod template;
mod tokenizer;
mod training;
mod writing;
