//! Text of clients: what is kept of it, and how it is quoted.

/// The first `chars_max` characters of a client's own text, for an error that quotes it.
pub fn shorten(text: &str, chars_max: usize) -> &str {
    text.char_indices().nth(chars_max).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_not_bytes() {
        assert_eq!(shorten("Müller", 2), "Mü");
        assert_eq!(shorten("Mü", 2), "Mü");
        assert_eq!(shorten("", 2), "");
    }
}
