"""From PyTorch to Einsums: exported graphs in, cascade modules out; and the zoo of models one can name."""
