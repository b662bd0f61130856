//! The formulas of the Beta distribution over ±1, for one component of an action.
//!
//! An action is `a = 2 x - 1`, where x has the density `x^(alpha - 1) (1 - x)^(beta - 1) / B(alpha, beta)` over 0 to 1. Both
//! `alpha` and `beta` are at least 1.

use std::f64::consts::LN_2;

use super::{Number, digamma, log_gamma, trigamma};

/// `1 + softplus(output)`, a concentration from an output of a network.
#[inline(always)]
pub(crate) fn concentration<N: Number>(output: &N) -> N {
    // softplus(o) = -log sigmoid(-o)
    (-(-output.clone()).log_sigmoid()).plus(N::scalar(1.0))
}

/// `log B(alpha, beta) = log Gamma(alpha) + log Gamma(beta) - log Gamma(alpha + beta)`.
pub(crate) fn log_beta<N: Number>(alpha: &N, beta: &N) -> N {
    log_gamma(alpha) + log_gamma(beta) - log_gamma(&(alpha.clone() + beta.clone()))
}

/// The derivatives of [`log_beta`] with respect to `alpha` and `beta`, which are the means of `log x` and `log(1 - x)`.
pub(crate) fn log_beta_gradient<N: Number>(alpha: &N, beta: &N) -> [N; 2] {
    let of_both = digamma(&(alpha.clone() + beta.clone()));
    [alpha, beta].map(|one| digamma(one) - of_both.clone())
}

/// The log-density of an action, given `log x`, `log(1 - x)` and [`log_beta`]:
/// `(alpha - 1) log x + (beta - 1) log(1 - x) - log B(alpha, beta) - log 2`.
pub(crate) fn beta_log_density<N: Number>([log_x, log_rest]: [&N; 2], [alpha, beta]: [&N; 2], log_beta: N) -> N {
    let less_one = |one: &N| one.clone().plus(N::scalar(-1.0));
    (less_one(alpha) * log_x.clone() + less_one(beta) * log_rest.clone() - log_beta).plus(N::scalar(-LN_2))
}

/// The entropy of an action,
/// `log B(alpha, beta) - (alpha - 1) E[log x] - (beta - 1) E[log(1 - x)] + log 2`.
pub(crate) fn beta_entropy<N: Number>(alpha: &N, beta: &N) -> N {
    let [log_x, log_rest] = log_beta_gradient(alpha, beta);
    -beta_log_density([&log_x, &log_rest], [alpha, beta], log_beta(alpha, beta))
}

/// The derivatives of [`beta_entropy`] with respect to `alpha` and `beta`:
/// `(alpha + beta - 2) psi'(alpha + beta) - (alpha - 1) psi'(alpha)`, and the same with `beta`.
pub(crate) fn beta_entropy_gradient<N: Number>(alpha: &N, beta: &N) -> [N; 2] {
    let both = alpha.clone() + beta.clone();
    let of_both = both.clone().plus(N::scalar(-2.0)) * trigamma(&both);
    [alpha, beta].map(|one| of_both.clone() - one.clone().plus(N::scalar(-1.0)) * trigamma(one))
}

/// The KL divergence of the distribution with `p = [alpha, beta]` from that with `q`:
/// `log B(q) - log B(p) + (alpha_p - alpha_q) E_p[log x] + (beta_p - beta_q) E_p[log(1 - x)]`.
pub(crate) fn beta_kl<N: Number>(p: [&N; 2], q: [&N; 2]) -> N {
    let [log_x, log_rest] = log_beta_gradient(p[0], p[1]);
    let [alpha, beta] = [0, 1].map(|i| p[i].clone() - q[i].clone());
    log_beta(q[0], q[1]) - log_beta(p[0], p[1]) + alpha * log_x + beta * log_rest
}

/// The derivatives of [`beta_kl`] with respect to `p`, and those with respect to `q`:
///
/// ```text
/// d / d alpha_p = (alpha_p - alpha_q) psi'(alpha_p) - (alpha_p + beta_p - alpha_q - beta_q) psi'(alpha_p + beta_p)
/// d / d alpha_q = E_q[log x] - E_p[log x]
/// ```
pub(crate) fn beta_kl_gradients<N: Number>(p: [&N; 2], q: [&N; 2]) -> [[N; 2]; 2] {
    let differences = [0, 1].map(|i| p[i].clone() - q[i].clone());
    let [alpha, beta] = differences.clone();
    let of_both = (alpha + beta) * trigamma(&(p[0].clone() + p[1].clone()));
    let [of_p, of_q] = [p, q].map(|of| log_beta_gradient(of[0], of[1]));
    [
        [0, 1].map(|i| differences[i].clone() * trigamma(p[i]) - of_both.clone()),
        [0, 1].map(|i| of_q[i].clone() - of_p[i].clone()),
    ]
}
