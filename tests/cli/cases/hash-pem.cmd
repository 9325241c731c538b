hash -q --fail-on broken
