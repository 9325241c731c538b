diff a b --fail-on worse
