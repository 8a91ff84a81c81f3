"""Questions and answers as they are kept: `records` writes them, `history` shows them again."""

from routing.history.history import WITHHELD, AskedQuestion, Conversation, ConversationSummary, History, Trail
from routing.history.tally import Tally

__all__ = ["WITHHELD", "AskedQuestion", "Conversation", "ConversationSummary", "History", "Tally", "Trail"]
