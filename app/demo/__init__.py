"""The demo company Quillmark Instruments: its people, its documents and questions about them."""
