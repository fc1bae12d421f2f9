//! The first reading of `Comments.xml`: which answers have comments, warnings and votes.
//! Comments on posts that are no candidates end at their second attribute.

use crate::dump::Run;
use crate::error::ImportError;
use crate::row::{Attributes, Place, Visitor, number, score};
use crate::state::State;

/// One reading.
pub(crate) struct Reading<'a, 'r> {
    pub(crate) run: &'a mut Run<'r>,
    pub(crate) state: &'a mut State,
}

impl Visitor for Reading<'_, '_> {
    #[inline]
    fn row(&mut self, attributes: &[u8], _offset: u64) -> Result<(), &'static str> {
        let (mut post, mut votes, mut text) = (None, None, None);
        for attribute in Attributes(attributes) {
            let (name, value) = attribute?;
            match name {
                b"PostId" => {
                    let number = number(value).ok_or("the PostId is no number of a post")?;
                    if !self.state.candidates.contains(number) {
                        return Ok(());
                    }
                    post = Some(number);
                }
                b"Score" => votes = Some(value),
                b"Text" => text = Some(value),
                _ => {}
            }
            if post.is_some() && votes.is_some() && text.is_some() {
                break;
            }
        }
        let post = post.ok_or("the row has no PostId")?;
        let text = text.ok_or("the row has no Text")?;
        self.state.commented.insert(post);
        let filter = &self.run.options.filter;
        if filter
            .votes
            .is_some_and(|least| votes.is_some_and(|it| score(it) >= least))
        {
            self.state.voted.insert(post);
        }
        // A post that is known to be warned of needs no second warning.
        if filter.security.is_some()
            && !self.state.warned.contains(post)
            && self.run.security.is_match(text)
        {
            self.state.warned.insert(post);
        }
        Ok(())
    }

    fn pause(&mut self, at: Place) -> Result<(), ImportError> {
        if self.run.wants_save(at) {
            self.run.save(self.state, at)?;
        }
        self.run.go_on(at)
    }
}
