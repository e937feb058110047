#!/usr/bin/env python3
"""Makes small tokenizers of every kind and what the reference libraries do with tricky texts.

Usage: scripts/tokenizer_goldens.py FOLDER [CORPUS VOCABULARY_SIZE]
Writes FOLDER/<kind>.json (tokenizer.json files), <kind>.model (SentencePiece) and <kind>.expected.json. The corpus is a
text file; without one a few sentences are used. Training is not deterministic in all kinds: a tokenizer and what is
expected of it belong together. Needs the Python packages tokenizers and sentencepiece.
"""

import json
import pathlib
import sys

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
SIZE = int(sys.argv[3]) if len(sys.argv) > 3 else 0
SENTENCES = [
    "The film is a gorgeous, witty and unexpectedly moving portrait of a family.",
    "It was the best of the films that we've seen, and they'll say it's the worst, too.",
    "Don't you think that the actors weren't bad? I'd say they're good; we'll see, she's great.",
    "In 1969 the crew of Apollo 11 travelled 384,400 km; it cost $25.4 billion.",
    "Naïve café – “quoted” … the résumé of an über-critic.",
    "東京タワーは高い。 日本の映画はとても面白い。",
    "Ελληνικά και ρωσικά: привет, мир!",
    "def f(x):\n    return x ** 2  # squares\n\n\tprint(f(3))\n",
]
corpus = pathlib.Path(sys.argv[2]).read_text().splitlines() if len(sys.argv) > 2 else SENTENCES

TEXTS = [
    "",
    " ",
    "A",
    "The film is witty and moving.",
    "  Two leading spaces,   three inside, trailing  ",
    "tabs\tand\nnew lines\r\n\r\n  indented\n",
    "Don't you'll WE'RE they'Ve 'tis it's' 'S 'ſ ''ll 've",
    "1 12 123 1234567 3.14159 0x1F ½ ² ④ १२३ x2y",
    "naïve café cafe\u0301 – “quoted” … ß ﬁ Ⅻ Ǆ İstanbul ΣΑΣ",
    "e\u0301\u0323 e\u0323\u0301 \u1e9b\u0323 A\u030a \u212b \u0344 q\u0307\u0323",
    "東京タワー 中文。 한국어 한국어 각각 ไทย हिन्दी עִבְרִית العربية",
    "🚀🚀 👨‍👩‍👧 🇩🇪 ☺️ ™© \U0001f3ff",
    "\u00a0nbsp\u2003em\u3000ideographic\u2028line\u0085next\u200bzero\ufeffbom\u00adsoft",
    "control \x00\x01\x07\x1b[0m \x7f \x80 end",
    "<s>special</s> <mask> [MASK]<|end|> <user> a<mask> b",
    "foo::bar(baz)[0] == {'k': \"v\"}; // --flag=1 #tag @user a_b",
    "http://example.org/path?q=1&r=2#top user@example.org",
    "\ufffd \ufffe \ue000 \U000f0000 \U0010ffff",
    "▁already ▁marked▁ Ġ Ċ <0x41> ##ing",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "the " * 40,
    "\n\n\n   \n\t \t\n",
    " .  , ! ? ' n't do not",
]

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def trained(model, trainer, normalizer=None, pre=None, post=None, decoder=None, added=()):
    t = Tokenizer(model)
    if normalizer: t.normalizer = normalizer
    if pre: t.pre_tokenizer = pre
    t.train_from_iterator(corpus, trainer)
    t.add_tokens([a for a in added if not a.special])
    t.add_special_tokens([a for a in added if a.special])
    if post: t.post_processor = post(t)
    if decoder: t.decoder = decoder
    return t


def bpe(size, specials=("<s>", "</s>"), alphabet=True):
    letters = pre_tokenizers.ByteLevel.alphabet() if alphabet else []
    return trainers.BpeTrainer(vocab_size=SIZE or size, special_tokens=list(specials), initial_alphabet=letters,
                               show_progress=False)


def with_bytes(tokenizer):
    """Puts the tokens <0x00> ... <0xFF> at the end of a vocabulary, before what was added."""
    j = json.loads(tokenizer.to_str())
    vocab = j["model"]["vocab"]
    vocab.update({f"<0x{b:02X}>": len(vocab) + b for b in range(256)})
    for i, a in enumerate(a for a in j["added_tokens"] if a["content"] not in vocab): a["id"] = len(vocab) + i
    return Tokenizer.from_str(json.dumps(j))


def template(text, *names):
    return lambda t: processors.TemplateProcessing(single=text, special_tokens=[(n, t.token_to_id(n)) for n in names])


byte_level = lambda **k: pre_tokenizers.ByteLevel(**k)
split = lambda expression: pre_tokenizers.Split(Regex(expression), "isolated")
sequence = pre_tokenizers.Sequence
MASK = AddedToken("<mask>", special=True, lstrip=True, normalized=False)
USER = AddedToken("<user>", special=False, normalized=True)
END = AddedToken("<|end|>", special=True, normalized=False, rstrip=True)
LLAMA_DECODER = decoders.Sequence(
    [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])


def made():
    yield "gpt2", trained(models.BPE(), bpe(400), pre=byte_level(add_prefix_space=False),
                          post=lambda t: processors.ByteLevel(trim_offsets=False), decoder=decoders.ByteLevel(),
                          added=[END, USER])
    yield "roberta", trained(
        models.BPE(), bpe(340), pre=byte_level(add_prefix_space=True), decoder=decoders.ByteLevel(),
        post=lambda t: processors.RobertaProcessing(("</s>", t.token_to_id("</s>")), ("<s>", t.token_to_id("<s>"))),
        added=[MASK])
    yield "smollm", trained(models.BPE(), bpe(340), decoder=decoders.ByteLevel(), added=[END], pre=sequence(
        [pre_tokenizers.Digits(individual_digits=True), byte_level(add_prefix_space=False)]))
    yield "llama3", trained(models.BPE(ignore_merges=True), bpe(400), decoder=decoders.ByteLevel(), added=[END],
                            pre=sequence([split(LLAMA3), byte_level(add_prefix_space=False, use_regex=False)]),
                            post=template("<s> $A", "<s>"))
    yield "qwen2", trained(models.BPE(), bpe(400), normalizer=normalizers.NFC(), decoder=decoders.ByteLevel(), added=[END],
                           pre=sequence([split(QWEN2), byte_level(add_prefix_space=False, use_regex=False)]))

    marked = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    fallback = lambda: models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    specials = ["<unk>", "<s>", "</s>"]
    yield "llama2", with_bytes(trained(fallback(), bpe(160, specials, False), normalizer=marked, decoder=LLAMA_DECODER,
                                       post=template("<s> $A", "<s>")))
    first = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    yield "mistral", with_bytes(trained(fallback(), bpe(160, specials, False), pre=first, decoder=LLAMA_DECODER,
                                        post=template("<s> $A </s>", "<s>", "</s>"), added=[USER]))
    yield "characters", trained(models.BPE(unk_token="<unk>", fuse_unk=False), bpe(120, ["<unk>"], False),
                                pre=pre_tokenizers.Whitespace())

    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    word_piece = lambda n: trainers.WordPieceTrainer(vocab_size=SIZE or n, special_tokens=specials, show_progress=False)
    yield "bert", trained(
        models.WordPiece(unk_token="[UNK]"), word_piece(200), normalizer=normalizers.BertNormalizer(),
        pre=pre_tokenizers.BertPreTokenizer(), decoder=decoders.WordPiece(),
        post=template("[CLS] $A [SEP]", "[CLS]", "[SEP]"))
    yield "bert_cased", trained(
        models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=30), word_piece(220),
        normalizer=normalizers.BertNormalizer(lowercase=False), pre=pre_tokenizers.BertPreTokenizer(),
        decoder=decoders.WordPiece(cleanup=False),
        post=lambda t: processors.BertProcessing(("[SEP]", t.token_to_id("[SEP]")), ("[CLS]", t.token_to_id("[CLS]"))))
    yield "stripped", trained(
        models.WordPiece(unk_token="[UNK]"), word_piece(180), decoder=decoders.WordPiece(),
        normalizer=normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents(),
                                         normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]),
        pre=sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("merged_with_previous"),
                      pre_tokenizers.Digits()]))

    unigram = lambda n, s: trainers.UnigramTrainer(vocab_size=SIZE or n, special_tokens=s, unk_token="<unk>",
                                                   show_progress=False)
    yield "t5", trained(models.Unigram(), unigram(200, ["<pad>", "</s>", "<unk>"]), normalizer=charsmap(),
                        pre=sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
                        post=template("$A </s>", "</s>"), decoder=decoders.Metaspace(), added=[USER])
    yield "unigram", trained(models.Unigram(), unigram(200, ["<s>", "</s>", "<unk>"]), added=[MASK],
                             normalizer=normalizers.Replace(Regex(" {2,}"), " "),
                             pre=pre_tokenizers.Metaspace(prepend_scheme="always"),
                             post=template("<s> $A </s>", "<s>", "</s>"), decoder=decoders.Metaspace())


def fields(message):
    """(number, value) of the fields of a protocol buffer."""
    at = 0
    def varint():
        nonlocal at
        value = shift = 0
        while True:
            b = message[at]
            at += 1
            value |= (b & 127) << shift
            shift += 7
            if b < 128: return value
    while at < len(message):
        tag = varint()
        kind = tag & 7
        n = {1: 8, 5: 4}.get(kind)
        value = varint() if kind in (0, 2) else message[at : at + n]
        if kind == 2:
            n, value = value, message[at : at + value]
        at += n or 0
        yield tag >> 3, value


def sentencepiece_model(kind, **options):
    # A table of a few replacements: that of NFKC has 240 kB.
    rules = folder / "rules.tsv"
    pairs = [("FB01", "66 69"), ("216B", "58 49 49"), ("65 301", "E9"), ("A0", "20"), ("3000", "20"), ("9", "20"),
             ("A", "20"), ("D", "20"), ("2126", "3A9"), ("2163", "49 56"), ("BD", "31 2044 32"), ("200B", "20"), ("AD", "")]
    rules.write_text("".join(f"{a}\t{b}\n" for a, b in pairs))
    text = folder / "corpus.txt"
    text.write_text("\n".join(corpus))
    prefix = folder / kind
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(prefix), user_defined_symbols=["<user>"], minloglevel=2,
        normalization_rule_tsv=str(rules) if options.pop("rules", False) else "",
        **{"normalization_rule_name": "identity", "hard_vocab_limit": False, **options})
    for f in (text, rules, folder / f"{kind}.vocab"): f.unlink()
    return folder / f"{kind}.model"


def charsmap():
    options = {"normalization_rule_name": "nmt_nfkc"} if SIZE else {"rules": True}
    model = sentencepiece_model("charsmap", vocab_size=SIZE or 200, model_type="unigram", **options)
    normalizer = next(v for n, v in fields(model.read_bytes()) if n == 3)
    table = next(v for n, v in fields(normalizer) if n == 2)
    model.unlink()
    return normalizers.Precompiled(table)


def expected(encode, decode, special):
    cases = [{"text": t, "ids": encode(t, False), "decoded": decode(encode(t, False))} for t in TEXTS]
    before_after = special(encode("a", True), encode("a", False))
    return {"before": before_after[0], "after": before_after[1], "cases": cases}


def around(with_special, without):
    for i in range(len(with_special)):
        if with_special[i : i + len(without)] == without:
            return with_special[:i], with_special[i + len(without) :]


def write(name, what):
    lines = ",\n".join(json.dumps(c) for c in what["cases"])
    head = json.dumps({k: v for k, v in what.items() if k != "cases"})[1:-1]
    (folder / f"{name}.expected.json").write_text("{" + head + ',\n"cases": [\n' + lines + "\n]}\n")


for name, t in made():
    t.save(str(folder / f"{name}.json"), pretty=False)
    write(name, expected(lambda s, special: t.encode(s, add_special_tokens=special).ids,
                         lambda ids: t.decode(ids, skip_special_tokens=True), around))

for name, kind, size, options in [("spm_unigram", "unigram", 200, {"rules": True}),
                                  ("spm_bpe", "bpe", 420, {"byte_fallback": True, "remove_extra_whitespaces": False}),
                                  ("spm_bpe_collapse", "bpe", 140, {"rules": True})]:
    sp = sentencepiece.SentencePieceProcessor(
        model_file=str(sentencepiece_model(name, vocab_size=SIZE or size, model_type=kind, **options)))
    # Here "<s>" in a text is text; tenzo takes it for the control token, as tokenizer.json does.
    TEXTS = [t for t in TEXTS if "<s>" not in t]
    write(name, expected(lambda s, special: sp.encode(s), lambda ids: sp.decode([i for i in ids if i > 2]),
                         lambda a, b: ([1], []) if kind == "bpe" else ([], [2])))
