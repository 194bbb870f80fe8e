//! Writes the methods of a builder.

/// Writes, for each field, a method of its name that sets it. The field's own documentation has its meaning and unit.
macro_rules! setters {
    ($($field:ident: $type:ty),* $(,)?) => {$(
        #[doc = concat!("Sets `", stringify!($field), "`.")]
        #[must_use]
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = $field.into();
            self
        }
    )*};
}

pub(crate) use setters;
