//! The logarithm of a probability that is given by its log-odds.

use burn::tensor::Tensor;

/// `log(1 / (1 + exp(-x)))`, elementwise, to the precision of the float type however close to 0 it is:
///
/// ```text
/// x <= 0:  x - log1p(exp(x))        x > 0:  -log1p(exp(-x))
/// ```
///
/// (Burn's own takes the logarithm of a sum, in which an `exp(-x)` below the precision of 1 is lost.)
pub(super) fn log_sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let positive = x.clone().greater_elem(0);
    // Selected rather than an absolute value, which has no slope at 0: there both branches have the slope 1/2.
    let magnitude = x.clone().mask_where(positive.clone(), x.clone().neg());
    x.mask_fill(positive, 0) - magnitude.exp().log1p()
}
