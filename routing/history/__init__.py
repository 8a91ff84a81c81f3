"""Questions and answers as they are kept: `records` writes them, `history` shows them again."""

from routing.history.feedback import REASON_CODES, Feedback, ReasonCode
from routing.history.history import WITHHELD, AskedQuestion, Conversation, ConversationSummary, History, Trail
from routing.history.tally import Tally

__all__ = [
    "REASON_CODES",
    "WITHHELD",
    "AskedQuestion",
    "Conversation",
    "ConversationSummary",
    "Feedback",
    "History",
    "ReasonCode",
    "Tally",
    "Trail",
]
