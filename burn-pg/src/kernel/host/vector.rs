//! Functions on arrays, compiled for the vector instructions of the machine they run on.
//!
//! | function | error in single precision, at most | special values |
//! | --- | --- | --- |
//! | [`tanh`] | 5 units in the last place, less than 6e-7 relative | -1 up to -9.02, 1 from 9.02 on |
//! | [`exp`] | 2 units in the last place | 0 below -103.98, infinity from 88.73 on |
//!
//! NaN stays NaN. Each element is computed on its own, so no result depends on how an array is split.

use burn::tensor::DType;

use super::Real;

/// Defines functions that are compiled for the vector instructions of the machine they run on, together with all
/// `#[inline(always)]` functions that they call. Closures, and functions passed as arguments, are compiled without
/// these instructions.
#[doc(hidden)]
#[macro_export]
macro_rules! vectorised {
    ($($(#[$meta:meta])* $visible:vis fn $name:ident<$life:lifetime $(, $float:ident)?>(
        $($argument:ident: $kind:ty),* $(,)?
    ) -> $output:ty $body:block)*) => {
        $(
            $(#[$meta])*
            $visible fn $name<$life $(, $float: $crate::kernel::parts::Real)?>($($argument: $kind),*) -> $output {
                struct Call<$life $(, $float)?> {
                    $($argument: $kind),*
                }
                impl<$life $(, $float: $crate::kernel::parts::Real)?> $crate::kernel::parts::pulp::NullaryFnOnce for Call<$life $(, $float)?> {
                    type Output = $output;

                    #[inline(always)]
                    fn call(self) -> $output {
                        let Self { $($argument),* } = self;
                        $body
                    }
                }
                $crate::kernel::parts::pulp::Arch::new().dispatch(Call { $($argument),* })
            }
        )*
    };
}
pub(crate) use vectorised;

vectorised! {
    /// Replaces each value by its hyperbolic tangent.
    pub fn tanh<'a>(values: &'a mut [f32]) -> () {
        for x in values {
            *x = tanh_of(*x);
        }
    }

    /// Replaces each value by its exponential.
    pub fn exp<'a>(values: &'a mut [f32]) -> () {
        for x in values {
            *x = exp_of(*x);
        }
    }
}

impl Real for f32 {
    const DTYPE: DType = DType::F32;

    fn tanh_all(values: &mut [Self]) {
        tanh(values);
    }

    fn exp_all(values: &mut [Self]) {
        exp(values);
    }

    #[inline(always)]
    fn exp_inline(self) -> Self {
        exp_of(self)
    }
}

/// A rational function of degrees 13 and 6, the minimax approximation that the library Eigen uses.
#[inline(always)]
fn tanh_of(x: f32) -> f32 {
    // The rational function is nearest to 1 at `FLAT`. Beyond `ONE`, 1 is nearer to the hyperbolic tangent.
    const FLAT: f32 = 7.905_311;
    const ONE: f32 = 9.010_914;
    let y = x.clamp(-FLAT, FLAT);
    let square = y * y;
    let numerator = polynomial(
        square,
        [-2.760_768_4e-16, 2.000_188e-13, -8.604_672e-11, 5.122_297e-8, 1.485_722_4e-5, 6.372_619e-4, 4.893_524_6e-3],
    );
    let denominator = polynomial(square, [1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3]);
    // In this order only the product can be subnormal, not the quotient.
    let ratio = y * (numerator / denominator);
    if x.abs() > ONE { 1.0_f32.copysign(x) } else { ratio }
}

/// `2^n e^r` with `r` between `-ln(2) / 2` and `ln(2) / 2`, and the polynomial of the library Cephes for `e^r`.
#[inline(always)]
pub(super) fn exp_of(x: f32) -> f32 {
    /// Adding this to a number of moderate size leaves the nearest integer in the last bits.
    const ROUND: f32 = 12_582_912.0;
    // The sum of both is ln(2). The first has so few digits that its multiples are exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let x = x.clamp(-105.0, 90.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN_2[1], n.mul_add(-LN_2[0], x));
    let tail = polynomial(r, [1.987_569_2e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5]);
    let power = tail.mul_add(r * r, r) + 1.0;
    // Two factors, because 2^n may be out of range.
    let n = shifted.to_bits().cast_signed() - ROUND.to_bits().cast_signed();
    let half = n >> 1;
    power * power_of_two(half) * power_of_two(n - half)
}

/// `2^n` for n from -126 to 127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits(((n + 127) << 23).cast_unsigned())
}

/// Evaluates a polynomial. The coefficient of the highest power comes first.
#[inline(always)]
fn polynomial<const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = 0.0;
    for coefficient in coefficients {
        sum = x.mul_add(sum, coefficient);
    }
    sum
}
