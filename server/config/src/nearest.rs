//! The known name that a misspelt one was meant to be.
//! It knows words only.

/// How many letters may be wrong, as a part of the word: one in three.
const TOLERANCE: usize = 3;
/// Longer words are nobody's misspelling, and comparing them costs the square of their length.
const MAX_LETTERS: usize = 100;

/// The known name nearest to a word, if one is near enough to be what was meant.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Someone who writes `maxFileSize` or `max_file_size` knows which option they want.
    let plain = |text: &str| -> Vec<char> {
        text.chars()
            .filter(|it| !matches!(it, '-' | '_'))
            .flat_map(char::to_lowercase)
            .collect()
    };
    let letters = plain(word);
    if letters.is_empty() || letters.len() > MAX_LETTERS {
        return None;
    }
    known
        .into_iter()
        .map(|name| (distance(&letters, &plain(name)), name))
        .filter(|(wrong, name)| *wrong <= letters.len().max(name.len()) / TOLERANCE)
        .min_by_key(|(wrong, _)| *wrong)
        .map(|(_, name)| name)
}

/// How many letters must be changed, put in or taken out.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let changed = before + usize::from(a != b);
            before = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(before + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_name_is_found_unless_none_is_near() {
        let known = ["select", "ignore", "max-file-size"];
        assert_eq!(nearest("selct", known), Some("select"));
        assert_eq!(nearest("maxFileSize", known), Some("max-file-size"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"x".repeat(1 << 20), known), None);
    }
}
