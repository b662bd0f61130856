//! Prints how many GFLOP/s products of matrices reach on this machine. The argument is the number of threads.
#![forbid(unsafe_code)]

mod limit;

fn main() {
    let threads = std::env::args().nth(1).map_or(1, |threads| threads.parse().expect("a number of threads"));
    println!("{:.1}", limit::gflops(threads));
}
