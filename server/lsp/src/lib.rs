//! The language server: protocol in, engine call, protocol out.
