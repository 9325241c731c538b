/* Bad policies and, to the letter, what is said about each: included by test_policy.c, whose
   macros it uses. */
static const struct {
    const char *yaml, *error;
} bad_policies[] = {
    {"", "p.yaml:1:1: yaml: the policy is empty: begin with \"version: 1\" and \"pin_sets:\""},
    {"# only a comment\n",
     "p.yaml:1:1: yaml: the policy is empty: begin with \"version: 1\" and \"pin_sets:\""},
    {"---\n", "p.yaml:1:1: yaml: the policy is empty: begin with \"version: 1\" and \"pin_sets:\""},
    {"version: 2\npin_sets: []\n",
     "p.yaml:1:10: version: this program reads version 1: write version: 1"},
    {"pin_sets: []\n", "p.yaml:1:1: version: is missing: write version: 1"},
    {"version: \"1\"\npin_sets: []\n",
     "p.yaml:1:10: version: this program reads version 1: write version: 1"},
    {"version: 1\n", "p.yaml:1:1: pin_sets: is missing: write pin_sets: with at least one pin set"},
    {"version: 1\npin_sets: []\n",
     "p.yaml:2:11: pin_sets: the list is empty: write - {name: ..., hosts: [...], pins: [...]}"},
    {"version: 1\npin_sets: {}\n",
     "p.yaml:2:11: pin_sets: wants a list: write - {name: ..., hosts: [...], pins: [...]}"},
    {"- version: 1\n", "p.yaml:1:1: yaml: a policy is a mapping of keys (key: value)"},
    {"just words\n", "p.yaml:1:1: yaml: a policy is a mapping of keys (key: value)"},
    {"version: 1\npinsets: []\n", "p.yaml:2:1: pinsets: unknown key in a policy, did you mean "
                                  "\"pin_sets\"? correct it or take it out"},
    {GOOD "    include_subdomain: true\n",
     "p.yaml:6:5: include_subdomain: unknown key in a pin set, did you mean "
     "\"include_subdomains\"? correct it or take it out"},
    {GOOD "    colour: red\n",
     "p.yaml:6:5: colour: unknown key in a pin set, allowed: name, hosts, include_subdomains, "
     "exclude_subdomains, host_rule, client, scope, key_types, trust, pins, expires, on_expiry, "
     "report_only, application, platform, owner, approver, rollover, update, last_rehearsal, "
     "backup_custody, operated_by, exceptions, extra"},
    {GOOD "    client: andriod\n",
     "p.yaml:6:13: client: unknown value \"andriod\", did you mean \"android\"? allowed: custom, "
     "android, apple, trustkit, okhttp, hpkp, curl, envoy, chromium, dane"},
    {GOOD "    scope: chain\n", "p.yaml:6:12: scope: unknown value \"chain\", allowed: path, leaf, "
                                "ca-only, presented, leaf-and-ca"},
    {GOOD "    report_only: yes\n", "p.yaml:6:18: report_only: \"yes\" is neither true nor false: "
                                    "write one of them, without quotes"},
    {GOOD "    report_only: \"true\"\n", "p.yaml:6:18: report_only: \"true\" is neither true nor "
                                         "false: write one of them, without quotes"},
    {GOOD "    expires: 01.06.2027\n",
     "p.yaml:6:14: expires: \"01.06.2027\" is no date: write 2027-06-01 or 2027-06-01T12:00:00Z"},
    {GOOD "    expires: 2027-02-30\n",
     "p.yaml:6:14: expires: \"2027-02-30\" is no date: write 2027-06-01 or 2027-06-01T12:00:00Z"},
    {GOOD "    owner:\n", "p.yaml:6:11: owner: has no value: write a text, or leave the key out"},
    {GOOD "    owner: [me]\n", "p.yaml:6:12: owner: wants a text, not a list"},
    {GOOD "    update: {lead_time_days: soon}\n",
     "p.yaml:6:30: lead_time_days: \"soon\" is no number of days from 0 to 36500"},
    {GOOD "    update: {chanel: store}\n", "p.yaml:6:14: chanel: unknown key in update, did you "
                                           "mean \"channel\"? correct it or take it out"},
    {GOOD "    exceptions: [{reason: none}]\n",
     "p.yaml:6:18: rule: is missing: write the lint rule that is waived, as rule: PIN022"},
    {GOOD "    exceptions: none\n", "p.yaml:6:17: exceptions: wants a list: write - {rule: PIN022, "
                                    "reason: ..., approver: ..., until: 2027-01-31}"},
    {GOOD "    operated_by: cdn\n",
     "p.yaml:6:18: operated_by: unknown value \"cdn\", allowed: self, third-party"},
    {GOOD "    key_types: [any, rsa]\n",
     "p.yaml:6:16: key_types: \"any\" stands alone: write [any], or name the types"},
    {GOOD "    key_types: rsa\n",
     "p.yaml:6:16: key_types: wants a list: write [any] or [rsa, ecdsa]"},
    {GOOD "    trust: [none, system]\n",
     "p.yaml:6:12: trust: \"none\" stands alone: write [none], or name profiles"},
    {GOOD "    trust: [system, system]\n",
     "p.yaml:6:21: trust: \"system\" is named twice: keep one"},
    {GOOD "    extra: 7\n", "p.yaml:6:12: extra: wants a mapping: write {} or {key: value}"},
    {GOOD "    name: b\n", "p.yaml:6:5: name: the key is already at line 3, keep one of them"},
    {GOOD "  - name: a\n    hosts: [y.example]\n    pins: [\"" R4 "\"]\n",
     "p.yaml:6:5: name: a pin set \"a\" is already at p.yaml:3, give each its own name"},
    {GOOD "---\nversion: 1\n",
     "p.yaml:6:1: yaml: a second document (---): give each policy its own file"},
    {GOOD "trust: [{name: t, file: t.pem}, {name: t, file: u.pem}]\n",
     "p.yaml:6:40: name: a trust profile \"t\" is already at line 6: keep one of them"},
    {GOOD "trust: [{name: system, file: t.pem}]\n",
     "p.yaml:6:16: name: \"system\" is built in: choose another name (or replace the system's "
     "anchors with --trust system=FILE)"},
    {GOOD "trust: [{name: t}]\n",
     "p.yaml:6:9: file: is missing: write {name: android-14, file: android-14.pem}"},
    {"version: 1\npin_sets:\n  - hosts: [x.example]\n    pins: [\"" X1 "\"]\n",
     "p.yaml:3:5: name: is missing in this pin set: write name: mobile-banking-android"},
    {"version: 1\npin_sets:\n  - name: a\n    pins: [\"" X1 "\"]\n",
     "p.yaml:3:5: hosts: is missing in this pin set: write hosts: [api.bank.example]"},
    {"version: 1\npin_sets:\n  - name: a\n    hosts: [x.example]\n",
     "p.yaml:3:5: pins: is missing in this pin set: write pins: [\"sha256/<base64>\"]"},
    {"version: 1\npin_sets:\n  - name: \"\"\n    hosts: [x.example]\n    pins: [\"" X1 "\"]\n",
     "p.yaml:3:11: name: is empty: write name: mobile-banking-android"},
    {"version: 1\npin_sets:\n  - name: a\n    hosts: x.example\n    pins: [\"" X1 "\"]\n",
     "p.yaml:4:12: hosts: wants a list: write [api.bank.example, \"*.pay.bank.example\"]"},
    {PINS "      - sha256/0b9fa5a59eed715c26c1020c711b4f6ec42d58b0015e14337a39dad301c5afc3\n",
     "p.yaml:6:9: pin: this is hexadecimal: write \"sha256:<hexadecimal>\", or convert it to "
     "base64"},
    {PINS "      - sha256/C5-lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=\n",
     "p.yaml:6:9: pin: this is URL-safe base64: write '+' for '-' and '/' for '_'"},
    {PINS "      - {pin: sha256/C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M, role: active}\n",
     "p.yaml:6:15: pin: the padding is missing: append \"=\""},
    {PINS "      - sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
     "p.yaml:6:9: pin: a placeholder, not a digest: put the real pin here"},
    {PINS "      - sha256/+BZRPP0bRJ8uayihlyIfuB9RTjw=\n",
     "p.yaml:6:9: pin: 20 bytes, but SHA-256 has 32: copy the pin anew"},
    {PINS "      - C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=\n",
     "p.yaml:6:9: pin: a pin begins with its algorithm: write \"sha256/<base64>\" (or sha1/, "
     "sha512/, exact/, or \"sha256:<hexadecimal>\")"},
    {PINS
     "      - " X1 "\n      - " R4
     "\n      - {pin: \"sha256:0b9fa5a59eed715c26c1020c711b4f6ec42d58b0015e14337a39dad301c5afc3\", "
     "role: backup}\n",
     "p.yaml:8:9: pin: sha256/C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M= is already in this set, "
     "at line 6: keep one of them"},
    {PINS "      - {role: active}\n",
     "p.yaml:6:9: pin: is missing: write pin: \"sha256/<base64>\""},
    {PINS "      - {pin: \"" X1 "\", role: spare}\n",
     "p.yaml:6:76: role: unknown value \"spare\", allowed: active, backup, bad"},
    {PINS "      - {pin: \"" X1 "\", role: bad}\n",
     "p.yaml:6:7: pins: every pin is bad, so that no chain could match: add an active one"},
    {PINS "      - {pin: \"" X1 "\", alg: sha1}\n",
     "p.yaml:6:75: alg: is sha1, but the pin says sha256: leave alg out, the pin names it"},
    {PINS "      - {pin: \"" X1 "\", tlsa: {usage: 4, selector: 1, matching: 1}}\n",
     "p.yaml:6:84: usage: unknown value \"4\", allowed: 0, 1, 2, 3"},
    {PINS "      - {pin: \"" X1 "\", tlsa: {usage: 3}}\n",
     "p.yaml:6:76: tlsa: usage, selector and matching are all needed: write {usage: 3, selector: "
     "1, matching: 1}"},
    {PINS "      - {pin: \"" X1 "\", tlsa: {usage: 3, selector: 1, matching: 2}}\n",
     "p.yaml:6:76: tlsa: matching 2 means sha512, but the pin is sha256: make them agree"},
    {PINS "      - {pin: \"" X1 "\", of: cert, tlsa: {usage: 3, selector: 1, matching: 1}}\n",
     "p.yaml:6:74: of: is cert, but selector 1 means spki: leave \"of\" out"},
    {PINS "      - {pin: \"" X1
          "\", tlsa: {usage: 1, selector: 1, matching: 1}}\n    trust: [none]\n",
     "p.yaml:6:9: tlsa: usage 1 needs a path to an anchor, but trust is [none]: name a profile"},
    {PINS "      - {pin: \"" X1
          "\", tlsa: {usage: 1, selector: 1, matching: 1}}\n    client: curl\n",
     "p.yaml:6:9: tlsa: needs scope path (the usage says where to look), not leaf: leave scope "
     "out"},
    {PINS "      - " X1 "\n    client: dane\n",
     "p.yaml:6:9: tlsa: is missing, and client dane needs it: write tlsa: {usage: 3, selector: 1, "
     "matching: 1}"},
    {PINS "      - " X1 "\n    client: apple\n",
     "p.yaml:6:9: list: is missing, and scope leaf-and-ca needs it: write list: leaf or list: ca"},
    {PINS "      - [nested]\n", "p.yaml:6:9: pins: a pin is a mapping of keys (key: value)"},
    {HOSTS("*.pay.bank.example"), "p.yaml:4:14: yaml: '*' begins an alias here, which has no place "
                                  "in a policy: a host pattern is quoted: \"*.bank.example\""},
    {HOSTS("*pay"), "p.yaml:4:13: yaml: aliases (*name) have no place in a policy: write the value "
                    "out; a host pattern is quoted: \"*.bank.example\""},
    {HOSTS("\"https://x.example/\""),
     "p.yaml:4:13: hosts: \"https://x.example/\" is no host pattern: write the bare host, without "
     "scheme, path or range"},
    {HOSTS("10.0.0.0/8"), "p.yaml:4:13: hosts: \"10.0.0.0/8\" is no host pattern: write the bare "
                          "host, without scheme, path or range"},
    {HOSTS("\"a.*.example\""),
     "p.yaml:4:13: hosts: \"a.*.example\" is no host pattern: a wildcard is the whole leftmost "
     "label, \"*.\" (one label) or \"**.\" (any depth, itself included)"},
    {HOSTS("\"*\""), "p.yaml:4:13: hosts: \"*\" is no host pattern: a wildcard is the whole "
                     "leftmost label, \"*.\" (one label) or \"**.\" (any depth, itself included)"},
    {HOSTS("\"x.example:0\""), "p.yaml:4:13: hosts: \"x.example:0\" is no host pattern: the port "
                               "is not a number from 1 to 65535"},
    {HOSTS("x..example"), "p.yaml:4:13: hosts: \"x..example\" is no host pattern: an empty label "
                          "(two dots, or a dot in front)"},
    {HOSTS("1.2.3.400"),
     "p.yaml:4:13: hosts: \"1.2.3.400\" is no host pattern: not a valid IPv4 address"},
    {HOSTS("\"*.192.0.2.7\""),
     "p.yaml:4:13: hosts: a wildcard before an address: name the address"},
    {HOSTS("\"*.bank.7\""),
     "p.yaml:4:13: hosts: \"*.bank.7\" is no host pattern: its last label is a number, and no "
     "top-level domain is: write a name, or an address without wildcard"},
    {HOSTS("\"**.example.7:443\""),
     "p.yaml:4:13: hosts: \"**.example.7:443\" is no host pattern: its last label is a number, and "
     "no top-level domain is: write a name, or an address without wildcard"},
    {HOSTS("\"x y.example\""),
     "p.yaml:4:13: hosts: \"x y.example\" is no host pattern: white space inside a host name"},
    {HOSTS(""),
     "p.yaml:4:12: hosts: the list is empty: write [api.bank.example, \"*.pay.bank.example\"]"},
    {GOOD "    exclude_subdomains: [\"dev.x.example:443\"]\n",
     "p.yaml:6:26: exclude_subdomains: a port has no place here: an excluded name is excluded on "
     "all ports"},
    {GOOD "    exclude_subdomains: dev\n",
     "p.yaml:6:25: exclude_subdomains: wants a list: write [dev.bank.example]"},
    {GOOD "    owner: &me me\n",
     "p.yaml:6:12: yaml: anchors (&name) have no place in a policy: write the value out"},
    {GOOD "    owner: !!str me\n",
     "p.yaml:6:12: yaml: tags (!name) have no place in a policy: leave the tag out"},
    {GOOD "    owner: \"a\\0b\"\n",
     "p.yaml:6:12: yaml: a NUL character inside a text: take it out"},
    {GOOD "    ? [a, b]\n    : c\n",
     "p.yaml:6:7: yaml: a key must be a plain word, not a list or a mapping"},
    {GOOD "    extra: {a: 1, \"a\": 2}\n",
     "p.yaml:6:19: a: the key is already at line 6, keep one of them"},
    {GOOD "   owner: me\n", "p.yaml:6:4: yaml: did not find expected '-' indicator while parsing a "
                            "block collection that began at line 3: check indentation and quotes"},
    {GOOD "\towner: me\n",
     "p.yaml:6:1: yaml: found character that cannot start any token while scanning for the next "
     "token that began at line 6: check indentation and quotes"},
    {GOOD "    owner: \"never ends\n",
     "p.yaml:7:1: yaml: found unexpected end of stream while scanning a quoted scalar that began "
     "at line 6: check indentation and quotes"},
    {GOOD "    owner: \xc3\x28\n", "p.yaml:6:12: yaml: not UTF-8: save the policy as UTF-8"},
    {GOOD "    owner: \x01\n",
     "p.yaml:6:12: yaml: control characters are not allowed: take it out"},
    {GOOD "    extra: {a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}\n",
     "p.yaml:6:44: yaml: nested deeper than 32 levels: a policy needs six"},
    {GOOD "    extra: {<<: {a: 1}}\n    <<: {b: 2}\n",
     "p.yaml:7:5: <<: unknown key in a pin set, allowed: name, hosts, include_subdomains, "
     "exclude_subdomains, host_rule, client, scope, key_types, trust, pins, expires, on_expiry, "
     "report_only, application, platform, owner, approver, rollover, update, last_rehearsal, "
     "backup_custody, operated_by, exceptions, extra"},
};
