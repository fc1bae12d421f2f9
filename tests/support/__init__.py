"""What the end-to-end tests share. It knows the binary's outside only, and no crate of ours."""
