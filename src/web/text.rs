//! Text of others in a page: the one place where it is escaped.

use maud::Render;

/// Text of a program, a configuration or a client. It cannot become markup, and control characters, which a page cannot
/// carry, are pictures of themselves.
pub(super) struct Text<'a>(pub(super) &'a str);

impl Render for Text<'_> {
    fn render_to(&self, page: &mut String) {
        let mut plain = 0;
        for (at, c) in self.0.char_indices() {
            let Some(stand_in) = stand_in(c) else { continue };
            page.push_str(self.0.get(plain..at).unwrap_or_default());
            match stand_in {
                StandIn::Escape(text) => page.push_str(text),
                StandIn::Picture(picture) => page.push(picture),
            }
            plain = at.saturating_add(c.len_utf8());
        }
        page.push_str(self.0.get(plain..).unwrap_or_default());
    }
}

enum StandIn {
    Escape(&'static str),
    Picture(char),
}

/// What is written for a character that cannot be itself.
fn stand_in(c: char) -> Option<StandIn> {
    Some(match c {
        '&' => StandIn::Escape("&amp;"),
        '<' => StandIn::Escape("&lt;"),
        '>' => StandIn::Escape("&gt;"),
        '"' => StandIn::Escape("&quot;"),
        '\'' => StandIn::Escape("&#39;"),
        '\t' | '\n' | '\r' => return None,
        '\0'..='\x1F' => {
            let picture = u32::from(c).checked_add(0x2400).and_then(char::from_u32);
            StandIn::Picture(picture.unwrap_or(char::REPLACEMENT_CHARACTER))
        }
        '\x7F' => StandIn::Picture('\u{2421}'),
        '\u{80}'..='\u{9F}' => StandIn::Picture(char::REPLACEMENT_CHARACTER),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_control_characters_are_text() {
        for (text, expected) in [
            ("", ""),
            ("plain é 日本\n\tx\r\n", "plain é 日本\n\tx\r\n"),
            ("<script>alert('1')</script>", "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"),
            ("\" onload=\"x&amp;", "&quot; onload=&quot;x&amp;amp;"),
            ("\0\x1B[31m\x7F\u{9B}2J", "\u{2400}\u{241B}[31m\u{2421}\u{FFFD}2J"),
            ("<", "&lt;"),
            ("é<é", "é&lt;é"),
        ] {
            assert_eq!(Text(text).render().into_string(), expected);
        }
    }
}
