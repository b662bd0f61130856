//! Products of small matrices, each on the thread that asks for it.

use gemm::Parallelism;

use super::{real::Real, reduce::dot, vector::vectorised};

/// Most outputs of a layer that is taken for narrow: too few of them to fill the tiles of a general product.
const NARROW: usize = 4;

/// The weights of a layer, row-major of shape `[inputs, outputs]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight<'a, T> {
    values: &'a [T],
    inputs: usize,
    outputs: usize,
}

impl<'a, T: Real> Weight<'a, T> {
    /// That of a layer with so many outputs.
    pub fn new(values: &'a [T], outputs: usize) -> Self {
        Self { values, inputs: values.len() / outputs, outputs }
    }

    /// `result = input W + bias`, row by row. Shapes `[rows, inputs]` and `[rows, outputs]`.
    pub fn forward(self, input: &[T], bias: &[T], result: &mut [T]) {
        let Self { values, inputs, outputs } = self;
        if outputs <= NARROW {
            let columns = self.columns();
            return narrow_forward(inputs, input, &columns, bias, result);
        }
        for row in result.chunks_exact_mut(outputs) {
            row.copy_from_slice(bias);
        }
        let [input, weight] = [Matrix::new(input, inputs), Matrix::new(values, outputs)];
        product(input, weight, result, true);
    }

    /// `result += input^T slope`. Shapes `[rows, inputs]`, `[rows, outputs]`, `[inputs, outputs]`.
    pub fn add_gradient(self, input: &[T], slope: &[T], result: &mut [T]) {
        let Self { inputs, outputs, .. } = self;
        if outputs <= NARROW {
            let mut columns = vec![T::zero(); result.len()];
            narrow_gradient(inputs, outputs, input, slope, &mut columns);
            for (row, result) in result.chunks_exact_mut(outputs).enumerate() {
                for (column, sum) in result.iter_mut().enumerate() {
                    *sum += columns[column * inputs + row];
                }
            }
            return;
        }
        product(Matrix::new(input, inputs).transposed(), Matrix::new(slope, outputs), result, true);
    }

    /// `result = slope W^T`, row by row. Shapes `[rows, outputs]` and `[rows, inputs]`.
    pub fn backward(self, slope: &[T], result: &mut [T]) {
        let Self { values, inputs, outputs } = self;
        if outputs <= NARROW {
            let columns = self.columns();
            return narrow_backward(inputs, outputs, slope, &columns, result);
        }
        product(Matrix::new(slope, outputs), Matrix::new(values, outputs).transposed(), result, false);
    }

    /// The columns, one after the other.
    fn columns(self) -> Vec<T> {
        let Self { values, inputs, outputs } = self;
        (0..outputs).flat_map(|column| (0..inputs).map(move |row| values[row * outputs + column])).collect()
    }
}

vectorised! {
    /// `sums[j] += slopes[j]` over all rows of slopes, which are as wide as the sums.
    pub(super) fn add_rows<'a, T>(slopes: &'a [T], sums: &'a mut [T]) -> () {
        for row in slopes.chunks_exact(sums.len()) {
            for (sum, &slope) in sums.iter_mut().zip(row) {
                *sum += slope;
            }
        }
    }

    fn narrow_forward<'a, T>(
        inputs: usize,
        input: &'a [T],
        columns: &'a [T],
        bias: &'a [T],
        result: &'a mut [T],
    ) -> () {
        for (row, result) in input.chunks_exact(inputs).zip(result.chunks_exact_mut(bias.len())) {
            for ((column, &bias), result) in columns.chunks_exact(inputs).zip(bias).zip(result) {
                *result = bias + dot(row, column);
            }
        }
    }

    fn narrow_gradient<'a, T>(
        inputs: usize,
        outputs: usize,
        input: &'a [T],
        slope: &'a [T],
        columns: &'a mut [T],
    ) -> () {
        for (row, slope) in input.chunks_exact(inputs).zip(slope.chunks_exact(outputs)) {
            for (column, &slope) in columns.chunks_exact_mut(inputs).zip(slope) {
                for (sum, &input) in column.iter_mut().zip(row) {
                    *sum = input.mul_add(slope, *sum);
                }
            }
        }
    }

    fn narrow_backward<'a, T>(
        inputs: usize,
        outputs: usize,
        slope: &'a [T],
        columns: &'a [T],
        result: &'a mut [T],
    ) -> () {
        for (slope, result) in slope.chunks_exact(outputs).zip(result.chunks_exact_mut(inputs)) {
            result.fill(T::zero());
            for (column, &slope) in columns.chunks_exact(inputs).zip(slope) {
                for (sum, &weight) in result.iter_mut().zip(column) {
                    *sum = weight.mul_add(slope, *sum);
                }
            }
        }
    }
}

/// A matrix in an array, and the distances between neighbours in a column and in a row.
#[derive(Debug, Clone, Copy)]
struct Matrix<'a, T> {
    values: &'a [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// Row-major.
    fn new(values: &'a [T], columns: usize) -> Self {
        Self { values, rows: values.len() / columns, columns, row_stride: columns, column_stride: 1 }
    }

    fn transposed(self) -> Self {
        let Self { values, rows, columns, row_stride, column_stride } = self;
        Self { values, rows: columns, columns: rows, row_stride: column_stride, column_stride: row_stride }
    }
}

/// `result = a b`, or `result += a b`. The result is row-major.
fn product<T: Real>(a: Matrix<'_, T>, b: Matrix<'_, T>, result: &mut [T], add: bool) {
    assert_eq!(a.columns, b.rows, "the matrices fit together");
    assert_eq!(a.rows * b.columns, result.len(), "the result has a place for each element");
    let stride = |distance: usize| isize::try_from(distance).expect("arrays are shorter than that");
    // SAFETY: `Matrix::new` makes matrices of `rows * columns` elements at most as many as `values` has, contiguous in one of
    // the two directions, and `transposed` swaps the directions: so `(i, j)` of `a` lies at `i * row_stride + j *
    // column_stride < values.len()` for all `i < rows`, `j < columns`; the same holds for `b`. The result has `a.rows *
    // b.columns` elements, by the assertion, is borrowed mutably, and thus overlaps neither matrix. `T` is `f32` or `f64`.
    #[allow(unsafe_code)]
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            result.as_mut_ptr(),
            1,
            stride(b.columns),
            add,
            a.values.as_ptr(),
            stride(a.column_stride),
            stride(a.row_stride),
            b.values.as_ptr(),
            stride(b.column_stride),
            stride(b.row_stride),
            T::one(),
            T::one(),
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
