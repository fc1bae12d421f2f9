//! The formats of C's `scanf` and its like.

/// A conversion that takes an argument.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Conversion {
    /// How many characters it reads at most.
    pub(crate) width: Option<u64>,
    /// It stores text, `%s` or `%[...]`: as many characters, and an end.
    pub(crate) is_text: bool,
}

/// The conversions of a format that take an argument, in their order.
pub(crate) fn conversions(format: &str) -> Vec<Conversion> {
    let mut out = Vec::new();
    let mut rest = format;
    while let Some((_, behind)) = rest.split_once('%') {
        rest = behind;
        match rest.as_bytes().first() {
            Some(b'%') => rest = &rest[1..],
            // Read and thrown away.
            Some(b'*') => {}
            _ => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                let (width, kind) = rest.split_at(digits);
                out.push(Conversion {
                    width: width.parse().ok(),
                    is_text: kind.starts_with(['s', '[']),
                });
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::conversions;

    #[test]
    fn what_takes_an_argument_is_told_with_its_width() {
        let of = |format| {
            let all = conversions(format).into_iter();
            all.map(|it| (it.width, it.is_text)).collect::<Vec<_>>()
        };
        assert_eq!(
            of("%d %%s %*s %19s %[^,]"),
            [(None, false), (Some(19), true), (None, true)]
        );
        assert_eq!(of("%"), [(None, false)]);
    }
}
