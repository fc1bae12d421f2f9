//! The knowledge entry and the discussion record: types, parser, validator, and the search trait.
