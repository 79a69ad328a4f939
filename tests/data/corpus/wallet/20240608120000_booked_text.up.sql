alter table transfers alter column booked type text using to_char(booked, 'DD.MM.YYYY');
