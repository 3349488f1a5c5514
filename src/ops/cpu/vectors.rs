//! Loops that the compiler turns into vector instructions, compiled once for each width that a processor may have.
//!
//! Nothing is rounded otherwise for that: no product is joined with a sum, and no sum changes its order.

/// The widest registers that the processor has.
#[cfg(target_arch = "x86_64")]
pub(super) enum Widest {
    Avx512,
    Avx2,
    Sse2,
}

#[cfg(target_arch = "x86_64")]
impl Widest {
    pub(super) fn of_processor() -> Self {
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq");
        match is_x86_feature_detected!("avx2") {
            true if avx512 => Self::Avx512,
            true => Self::Avx2,
            false => Self::Sse2,
        }
    }
}

/// A function that runs by the widest registers. What it calls in a loop must always be inlined.
macro_rules! widest {
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block
    ) => {
        $(#[$attribute])*
        $visibility fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn with_any($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                use $crate::ops::cpu::vectors::Widest;

                #[target_feature(enable = "avx2,avx512f,avx512vl,avx512bw,avx512dq")]
                fn with_avx512($($argument: $type),*) $(-> $result)? {
                    with_any($($argument),*)
                }
                #[target_feature(enable = "avx2")]
                fn with_avx2($($argument: $type),*) $(-> $result)? {
                    with_any($($argument),*)
                }
                // SAFETY: the features were found.
                #[allow(unsafe_code)]
                match Widest::of_processor() {
                    Widest::Avx512 => return unsafe { with_avx512($($argument),*) },
                    Widest::Avx2 => return unsafe { with_avx2($($argument),*) },
                    Widest::Sse2 => {}
                }
            }
            with_any($($argument),*)
        }
    };
}
pub(super) use widest;
