use std::borrow::Cow;

/// The text of a status, for people. A peer writes it, and it goes to terminals and logs: what would end a line there or
/// control a terminal is replaced, and the end marks of C are left out.
pub(crate) fn status_text(octets: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(octets);
    if text.contains(char::is_control) {
        Cow::Owned(text.replace('\0', "").replace(char::is_control, "?"))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::status_text;

    #[test]
    fn no_text_ends_a_line_or_controls_a_terminal() {
        assert_eq!(status_text("gr\u{fc}\u{df}e".as_bytes()), "gr\u{fc}\u{df}e");
        assert_eq!(status_text(b"down\0\nERROR all is lost\r\x1b[2J\x7f"), "down?ERROR all is lost??[2J?");
    }
}
