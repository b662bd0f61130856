//! Tests of `burn-pg-lm`.

mod data;
mod dpo;
mod encode;
mod exact;
mod fixture;
mod folder;
mod helpers;
mod lora;
mod models;
mod plan;
mod recorded_text;
mod refused_tokenizers;
mod reward;
mod rules;
mod steps;
mod template;
mod token_ppo;
mod tokenizer;
mod training;
mod writing;
