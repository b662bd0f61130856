//! Memory for arrays of sizes that come again and again.

use std::{cell::RefCell, mem, ops::Deref, thread::LocalKey};

/// Most arrays that a thread keeps.
const KEPT: usize = 64;

/// Arrays that wait for their next use.
pub(crate) type Pool<T> = RefCell<Vec<Vec<T>>>;

/// Types that there is a pool for.
pub(crate) trait Pooled: Sized + 'static {
    /// That of this thread.
    fn pool() -> &'static LocalKey<Pool<Self>>;
}

macro_rules! pooled {
    ($type:ty, $pool:ident) => {
        thread_local! {
            static $pool: Pool<$type> = const { RefCell::new(Vec::new()) };
        }

        impl Pooled for $type {
            fn pool() -> &'static LocalKey<Pool<Self>> {
                &$pool
            }
        }
    };
}

pooled!(f32, SINGLE);
pooled!(f64, DOUBLE);

/// An array with memory from the pool of the thread that made it, to that of the one that drops it. Neither pays for memory
/// that is new to the process, or in the cache of another processor.
#[derive(Debug)]
pub(crate) struct Array<T: Pooled>(Vec<T>);

impl<T: Pooled + Copy> Array<T> {
    /// Of `len` numbers that are left over from anything.
    pub fn left_over(len: usize, any: T) -> Self {
        let kept = T::pool().with_borrow_mut(|pool| {
            let place = pool.iter().rposition(|array| array.len() == len)?;
            Some(pool.remove(place))
        });
        Self(kept.unwrap_or_else(|| vec![any; len]))
    }

    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: Pooled> Deref for Array<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Pooled> Drop for Array<T> {
    fn drop(&mut self) {
        let array = mem::take(&mut self.0);
        // At the end of a thread there is no pool any more, and no need for one.
        let _ = T::pool().try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if array.is_empty() {
                return;
            }
            // Sizes that do not come again make room for those that do.
            if pool.len() == KEPT {
                pool.remove(0);
            }
            pool.push(array);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_for_arrays_of_the_same_length() {
        let mut array = Array::left_over(1000, 1.0_f32);
        assert!(array.iter().all(|&x| x == 1.0));
        array.as_mut_slice().fill(2.0);
        let place = array.as_ptr();
        drop(array);
        let other = Array::left_over(999, 3.0_f32);
        let again = Array::left_over(1000, 3.0_f32);
        assert_eq!((again.as_ptr(), again[0], other[0]), (place, 2.0, 3.0));
    }
}
