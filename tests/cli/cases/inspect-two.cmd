inspect a.test b.test
