"""Data sets by name: one small file each."""

from gptcore.data.named.ag_news import AG_NEWS
from gptcore.data.named.banking77 import BANKING77
from gptcore.data.named.base import NamedData
from gptcore.data.named.imdb import IMDB
from gptcore.data.named.newsgroups import NEWSGROUPS
from gptcore.data.named.sms import SMS, SMS_FULL
from gptcore.data.named.sst2 import SST2
from gptcore.data.named.subj import SUBJ
from gptcore.data.named.trec import TREC, TREC_50
from gptcore.data.named.vader import AMAZON_SNIPPETS, MOVIE_SNIPPETS, TWEETS

NAMED: dict[str, NamedData] = {
    data.name: data
    for data in (
        *(SMS, SMS_FULL, IMDB, AG_NEWS, SST2, TREC, TREC_50, BANKING77, SUBJ, NEWSGROUPS),
        *(MOVIE_SNIPPETS, TWEETS, AMAZON_SNIPPETS),
    )
}
