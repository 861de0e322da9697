"""The usual names of an export's columns in a dozen languages, as data."""

from __future__ import annotations

import re
import unicodedata

#: What a column may be for: a column of the programme, or one of these.
DATE, TIME = "date", "time"
CURRENCY, STATUS, CONSENT, TIME_ZONE = "currency", "status", "consent", "time_zone"

#: Target -> names, the most telling ones first.
WORDS: dict[str, tuple[str, ...]] = {
    "email_1": (
        "email_1", "email", "e-mail", "email address", "e-mail address", "customer email", "billing email",
        "buyer email", "contact email", "email 1", "mail", "e-mail-adresse", "emailadresse", "mailadresse",
        "kunden e-mail", "e-mail kunde", "adresse e-mail", "adresse mail", "courriel", "e-mail client",
        "correo electrónico", "correo", "email cliente", "e-mail do cliente", "indirizzo email", "posta elettronica",
        "e-mailadres", "e-mail klant", "sähköposti", "e-post", "e-postadress", "epost", "e-postadresse",
        "adres e-mail", "adres email", "e-posta", "электронная почта", "эл. почта", "メールアドレス", "メール", "邮箱",
        "电子邮件", "電子郵件", "이메일", "อีเมล", "surel", "địa chỉ email",
    ),
    "phone_1": (
        "phone_1", "phone", "phone number", "mobile", "mobile number", "mobile phone", "cell phone", "telephone",
        "customer phone", "billing phone", "contact phone", "phone 1", "tel", "tel.", "telefon", "telefonnummer",
        "rufnummer", "handy", "handynummer", "mobil", "mobiltelefon", "mobilnummer", "téléphone", "tél", "portable",
        "numéro de téléphone", "téléphone portable", "teléfono", "móvil", "celular", "teléfono móvil", "telefone",
        "telemóvel", "telefono", "cellulare", "telefoonnummer", "telefoon", "mobiel", "puhelin", "puhelinnumero",
        "matkapuhelin", "numer telefonu", "telefon komórkowy", "komórka", "telepon", "nomor telepon", "no hp",
        "no. hp", "no telepon", "телефон", "мобильный телефон", "電話番号", "携帯電話", "手机", "手机号", "电话",
        "電話", "전화번호", "휴대폰", "โทรศัพท์", "เบอร์โทร", "số điện thoại", "điện thoại",
    ),
    "transaction_timestamp": (
        "transaction_timestamp", "timestamp", "date time", "datetime", "date and time", "transaction date",
        "paid at", "date paid", "payment date", "purchase date", "sale date", "order date", "created at", "created",
        "sold at", "completed at", "event_time", "event time", "conversion time", "zeitpunkt", "zeitstempel",
        "kaufdatum", "verkaufsdatum", "bestelldatum", "bondatum", "datum/uhrzeit", "datum uhrzeit", "date heure",
        "date de vente", "date de commande", "date d'achat", "fecha y hora", "fecha de venta", "fecha de pedido",
        "fecha de compra", "data e hora", "data da venda", "data do pedido", "data e ora", "data vendita",
        "data ordine", "besteldatum", "verkoopdatum", "orderdatum", "data zakupu", "data sprzedaży",
        "data zamówienia", "tanggal transaksi", "waktu transaksi", "дата и время", "дата продажи", "注文日時",
        "購入日時", "下单时间", "交易时间", "付款时间", "주문일시", "ngày giờ",
    ),
    DATE: (
        "date", "datum", "belegdatum", "buchungsdatum", "jour", "fecha", "data", "päivämäärä", "dato", "tanggal",
        "дата", "日付", "日期", "날짜", "วันที่", "ngày",
    ),
    TIME: (
        "time", "uhrzeit", "zeit", "belegzeit", "bonzeit", "heure", "hora", "ora", "tijd", "tid", "klokkeslett",
        "kellonaika", "godzina", "czas", "jam", "waktu", "время", "時刻", "時間", "时间", "시간", "เวลา", "giờ",
    ),
    "transaction_amount": (
        "transaction_amount", "grand total", "order total", "total", "total amount", "amount", "value",
        "amount paid", "total paid", "total price", "total sales", "gross sales", "gross amount", "sum",
        "conversion value", "event value", "order_total", "total collected", "gesamtbetrag", "gesamtsumme",
        "rechnungsbetrag", "endbetrag", "betrag", "bruttobetrag", "betrag brutto", "umsatz", "umsatz brutto",
        "summe", "summe brutto", "brutto", "gesamt", "zahlbetrag", "montant ttc", "total ttc", "montant",
        "montant total", "importe total", "importe", "monto", "monto total", "valor total", "valor", "importo totale",
        "importo", "totale", "totaalbedrag", "bedrag", "totaal", "summa", "loppusumma", "beløb", "beløp", "belopp",
        "totalbelopp", "kwota", "kwota brutto", "wartość", "wartość brutto", "suma", "razem", "jumlah", "nilai",
        "total harga", "сумма", "итого", "合計", "合計金額", "金額", "总金额", "金额", "总价", "金額合計", "금액",
        "합계", "ยอดรวม", "จำนวนเงิน", "tổng tiền", "số tiền",
    ),
    "order_id": (
        "order_id", "order number", "order id", "order no", "order no.", "order", "order name", "receipt number",
        "receipt no", "receipt no.", "receipt id", "receipt", "transaction id", "transaction number",
        "transaction no", "invoice number", "invoice no", "invoice", "sale id", "ticket number", "belegnummer",
        "beleg-nr", "beleg nr", "beleg nr.", "belegnr", "bonnummer", "bon-nr", "bon nr", "bonnr", "rechnungsnummer",
        "beleg", "bon", "kassenbon",
        "rechnungs-nr", "bestellnummer", "bestell-nr", "auftragsnummer", "auftrag", "transaktionsnummer",
        "vorgangsnummer", "numéro de commande", "n° commande", "no commande", "commande", "numéro de ticket",
        "n° ticket", "ticket", "número de pedido", "nº pedido", "pedido", "número de ticket", "factura",
        "número de factura", "numero ordine", "ordine", "scontrino", "numero scontrino", "ordernummer",
        "bestelnummer", "kassabon", "tilausnumero", "kuitti", "ordrenummer", "kvittonummer", "bongnummer",
        "numer zamówienia", "numer paragonu", "paragon", "nomor pesanan", "no. pesanan", "no pesanan", "no. struk",
        "номер заказа", "номер чека", "чек", "注文番号", "伝票番号", "订单号", "订单编号", "訂單編號", "주문번호",
        "หมายเลขคำสั่งซื้อ", "mã đơn hàng",
    ),
    "store_code": (
        "store_code", "store", "store id", "store number", "store name", "shop", "shop id", "branch", "branch code",
        "location", "location id", "outlet", "register location", "filiale", "filialnummer", "filial-nr",
        "filial-nr.", "filiale nr", "filnr", "markt", "standort", "magasin", "code magasin", "boutique", "tienda",
        "sucursal", "código de tienda", "loja", "negozio", "punto vendita", "winkel", "filiaal", "winkelnummer",
        "myymälä", "butik", "butikk", "sklep", "numer sklepu", "toko", "cabang", "gerai", "магазин", "店舗",
        "店舗コード", "门店", "门店编号", "門市", "매장", "สาขา", "cửa hàng",
    ),
    "product_id": (
        "product_id", "sku", "lineitem sku", "item id", "item number", "product code", "article number", "ean",
        "gtin", "plu", "artikelnummer", "artikel-nr", "artikel nr", "art.-nr.", "artnr", "référence", "código",
        "referencia", "codice articolo", "tuotenumero", "varenummer", "artikelnummer", "kod produktu", "kode produk",
        "артикул", "商品コード", "商品编码", "상품코드",
    ),
    "product_name": (
        "product_name", "product", "product name", "item", "item name", "lineitem name", "description", "article",
        "artikel", "artikelbezeichnung", "bezeichnung", "produkt", "produktname", "produit", "désignation",
        "producto", "descripción", "produto", "descrição", "prodotto", "descrizione", "omschrijving", "tuote",
        "vare", "nazwa produktu", "nama produk", "товар", "наименование", "商品名", "商品名称", "상품명",
    ),
    "quantity": (
        "quantity", "qty", "lineitem quantity", "units", "menge", "anzahl", "stück", "quantité", "qté", "cantidad",
        "quantidade", "quantità", "aantal", "määrä", "antal", "antall", "ilość", "kuantitas", "количество", "数量",
        "數量", "수량", "จำนวน", "số lượng",
    ),
    "product_price": (
        "product_price", "price", "unit price", "item price", "lineitem price", "preis", "einzelpreis", "prix",
        "prix unitaire", "precio", "precio unitario", "preço", "prezzo", "prijs", "hinta", "pris", "cena", "harga",
        "цена", "単価", "价格", "单价", "단가",
    ),
    "transaction_category": (
        "transaction_category", "event", "event name", "event_name", "conversion name", "event type", "event_type",
    ),
    CURRENCY: (
        "currency", "currency code", "order currency", "conversion currency", "währung", "devise", "moneda", "moeda",
        "valuta", "waluta", "valuutta", "mata uang", "валюта", "通貨", "币种", "幣別", "통화",
    ),
    STATUS: (
        "financial status", "order status", "payment status", "status", "state", "zahlungsstatus", "bestellstatus",
        "statut", "estado", "stato", "stan", "статус", "状态",
    ),
    CONSENT: (
        "accepts marketing", "marketing consent", "opt in", "opt-in", "consent", "newsletter", "einwilligung",
        "werbeeinwilligung", "marketing-einwilligung", "consentement", "consentimiento", "consenso", "toestemming",
        "zgoda", "zgoda marketingowa", "согласие",
    ),
    TIME_ZONE: ("time zone", "timezone", "zeitzone", "fuseau horaire", "zona horaria", "tijdzone"),
}  # fmt: skip


def normal(name: str) -> str:
    """A column name for comparison: lower case, no accents, blanks for everything that is no letter or digit."""
    plain = "".join(one for one in unicodedata.normalize("NFKD", name) if not unicodedata.combining(one))
    return re.sub(r"[\W_]+", " ", plain.replace("ß", "ss").casefold()).strip()


def _known() -> dict[str, str]:
    known: dict[str, str] = {}
    for target, words in WORDS.items():
        for word in words:
            known.setdefault(normal(word), target)
    return known


_KNOWN = _known()


def target_of(name: str) -> tuple[str, bool] | None:
    """What a column of this name is for, and whether the whole name says so; None for an unknown name.

    A unit or a remark behind the name is left aside: ``Betrag (EUR)``, ``Total [$]``.
    """
    whole = normal(name)
    if whole in _KNOWN:
        return _KNOWN[whole], True
    bare = normal(re.sub(r"[(\[{].*", "", name))
    if bare in _KNOWN:
        return _KNOWN[bare], True
    words = whole.split()
    for size in range(len(words) - 1, 0, -1):
        for start in (0, len(words) - size):
            part = " ".join(words[start : start + size])
            if len(part) > 3 and part in _KNOWN:
                return _KNOWN[part], False
    return None
