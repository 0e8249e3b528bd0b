# grammar.awk FILE: every name that the ABNF of a specification uses must be defined in it, once;
# case does not matter.  ABNF is what is indented by four and starts `name =`.  The core names of
# RFC 5234 are known.  Names the strays; exit 1 if there were any.
BEGIN {
    split("OCTET VCHAR DIGIT ALPHA CHAR HEXDIG SP CRLF", core)
    for (at in core)
        defined[core[at]] = 1
}

!/^    / { in_rule = 0; next }

{
    text = toupper($0)
    gsub(/"[^"]*"/, " ", text)
    sub(/;.*/, "", text)
    gsub(/%[XDB][0-9A-F.\-]+/, " ", text)
}

text ~ /^ *[A-Z][A-Z0-9-]* *=/ {
    name = text
    sub(/ *=.*/, "", name)
    sub(/^ */, "", name)
    if (name in defined) {
        print FILENAME ":" FNR ": " name " is defined twice"
        bad = 1
    }
    defined[name] = 1
    sub(/^[^=]*=/, "", text)
    in_rule = 1
}

in_rule {
    gsub(/[][()*\/|]/, " ", text)
    count = split(text, word, / +/)
    for (at = 1; at <= count; at++) {
        sub(/^[0-9]+/, "", word[at])
        if (word[at] ~ /^[A-Z]/)
            used[word[at]] = FNR
    }
}

END {
    for (name in used)
        if (!(name in defined)) {
            print FILENAME ":" used[name] ": " name " is used but nowhere defined"
            bad = 1
        }
    exit bad
}
