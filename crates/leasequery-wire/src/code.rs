//! Open code points: newtypes with named constants, so that unknown values survive, print and round-trip.

macro_rules! code_points {
    ($(#[$doc:meta])* $type:ident: $number:ty, $unknown:literal, $($(#[$constant_doc:meta])* $constant:ident = $value:literal $name:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(pub $number);

        impl $type {
            $($(#[$constant_doc])* pub const $constant: Self = Self($value);)*

            /// The name its RFC gives it; `None` for a value that has none here.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($name),)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, concat!($unknown, " {}"), self.0),
                }
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    };
}

pub(crate) use code_points;
