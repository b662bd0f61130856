//! Arrays of NumPy.

use burn_pg::envs::{ActionBuffer, Actions};
use numpy::{
    Element, IntoPyArray, PyArray1, PyReadonlyArrayDyn,
    ndarray::{Array1, Array2},
};
use pyo3::{Bound, PyAny, PyResult, Python, exceptions::PyValueError, types::PyAnyMethods};

/// A new array with `rows` rows of the values.
pub fn rows<'py, T: Element + Clone>(py: Python<'py>, values: &[T], rows: usize) -> Bound<'py, PyAny> {
    let width = values.len().checked_div(rows).unwrap_or(0);
    let array = Array2::from_shape_vec((rows, width), values.to_vec()).expect("values are whole rows");
    array.into_pyarray(py).into_any()
}

/// A new array of the values.
pub fn column<'py, T: Element + Clone>(py: Python<'py>, values: &[T]) -> Bound<'py, PyAny> {
    Array1::from_vec(values.to_vec()).into_pyarray(py).into_any()
}

/// The values of an array, row by row.
pub fn values<T: Element + Clone>(array: &Bound<'_, PyAny>) -> PyResult<Vec<T>> {
    let array: PyReadonlyArrayDyn<'_, T> = array.extract()?;
    match array.as_slice() {
        Ok(values) => Ok(values.to_vec()),
        Err(_) => Ok(array.as_array().iter().cloned().collect()),
    }
}

/// Actions of NumPy: whole numbers of 64 bits counted from 0, `bool`, or `float32`.
pub fn read_actions(given: &Bound<'_, PyAny>, buffer: &mut ActionBuffer) -> PyResult<()> {
    let whole = |all: &mut Vec<u32>| -> PyResult<()> {
        let array: PyReadonlyArrayDyn<'_, i64> = given.extract()?;
        all.clear();
        let mut add = |&action: &i64| match u32::try_from(action) {
            Ok(action) => {
                all.push(action);
                Ok(())
            }
            Err(_) => Err(PyValueError::new_err(format!("the action {action} is outside its space"))),
        };
        match array.as_slice() {
            Ok(values) => values.iter().try_for_each(&mut add),
            Err(_) => array.as_array().iter().try_for_each(&mut add),
        }
    };
    match buffer {
        ActionBuffer::Discrete(all) | ActionBuffer::MultiDiscrete(all) => whole(all),
        ActionBuffer::MultiBinary(all) => {
            *all = values::<bool>(given)?;
            Ok(())
        }
        ActionBuffer::Continuous(all) => {
            *all = values::<f32>(given)?;
            Ok(())
        }
    }
}

/// A new array of actions with `n` rows: `int64`, `bool` or `float32`; one column for discrete ones.
pub fn actions<'py>(py: Python<'py>, actions: Actions<'_>, n: usize) -> Bound<'py, PyAny> {
    match actions {
        Actions::Discrete(all) => PyArray1::from_iter(py, all.iter().map(|&action| i64::from(action))).into_any(),
        Actions::MultiDiscrete(all) => rows(py, &all.iter().map(|&action| i64::from(action)).collect::<Vec<_>>(), n),
        Actions::MultiBinary(all) => rows(py, all, n),
        Actions::Continuous(all) => rows(py, all, n),
    }
}
