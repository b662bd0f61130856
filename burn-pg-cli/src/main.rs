//! `burn-pg`: trains and evaluates policy-gradient agents from the command line.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Keeps freed memory of tensors for the next ones; the system's allocator may return it to the system each time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    burn_pg_cli::main_with(|_| Ok(()))
}
