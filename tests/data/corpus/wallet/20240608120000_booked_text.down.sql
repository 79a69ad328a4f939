alter table transfers alter column booked type date using to_date(booked, 'DD.MM.YYYY');
