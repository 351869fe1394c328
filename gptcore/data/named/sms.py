"""The SMS Spam Collection: balanced and split as the published study does it, and whole."""

from __future__ import annotations

from collections import Counter

from gptcore.data import sms_spam
from gptcore.data.assets import SMS_SPAM
from gptcore.data.named.base import Labelled, Members, NamedData

_FILE = "SMSSpamCollection"
_LICENCE = "CC BY 4.0"
_CITATION = "Almeida, Gomez Hidalgo, Yamakami 2011 (UCI 228)"


def parse_published(members: Members) -> Labelled:
    """The rows as pandas reads them, with the remark that they will be balanced."""
    texts, labels = sms_spam.parse_rows(members[_FILE])
    counts = Counter(labels)
    notes = (
        f"read as published (pandas, default quoting): {len(texts):,} rows",
        f"balanced as published: all {counts['spam']:,} spam, as many of {counts['ham']:,} ham",
    )
    return Labelled(texts, labels, notes=notes)


def parse_all(members: Members) -> Labelled:
    """The same rows, all of which are used."""
    texts, labels = sms_spam.parse_rows(members[_FILE])
    return Labelled(
        texts, labels, notes=(f"read as published (pandas, default quoting): {len(texts):,} rows",)
    )


SMS = NamedData(
    name="sms-spam",
    about="SMS Spam Collection, balanced and split as published (1,045/149/300)",
    label_names=sms_spam.LABEL_NAMES,
    sizes={"": 5_572},
    licence=_LICENCE,
    citation=_CITATION,
    files=((_FILE, SMS_SPAM),),
    members=(_FILE,),
    parse=parse_published,
    published=sms_spam.published_parts,
)
SMS_FULL = NamedData(
    name="sms-spam-full",
    about="SMS Spam Collection, all messages, not balanced (13% spam)",
    label_names=sms_spam.LABEL_NAMES,
    sizes={"": 5_572},
    licence=_LICENCE,
    citation=_CITATION,
    files=((_FILE, SMS_SPAM),),
    members=(_FILE,),
    parse=parse_all,
)
