"""SQL of erasure and its proof."""
